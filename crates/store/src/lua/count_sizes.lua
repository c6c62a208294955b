-- Looks at some of all keys, and adds up by kind what they take of Redis's memory. It writes nothing.
-- args: cursor, pattern (of all of SHIM's keys), prefix (before the brace of a slot), tasks (the start of the keys of tasks)
-- OK: cursor ('0' at the end), sizes {kind = {keys, bytes}, ...}, bounds {what, used, of (the namespace or inbox)}: of each
-- bound what is nearest to it.
local scanned = redis.call('SCAN', args.cursor, 'MATCH', args.pattern, 'COUNT', 200)
local sizes = {}

local function starts(text, start) return string.sub(text, 1, #start) == start end

local function kind_of_namespace(key)
  local rest = string.match(key, '}:(.*)$') or ''
  if starts(rest, 'state') then return 'state' end
  if starts(rest, 'lock') or starts(rest, 'redlock') then return 'locks' end
  if starts(rest, 'files') then return 'files' end
  if starts(rest, 'did:') then return 'requests' end
  return 'other'
end

local function kind_of(key)
  if starts(key, args.tasks) then
    local rest = string.sub(key, #args.tasks + 1)
    if starts(rest, 'did:') then return 'requests' end
    if starts(rest, 'work') then return 'queues' end
    return 'tasks'
  end
  if not starts(key, args.prefix .. ':{') then return 'other' end
  local slot = string.sub(key, #args.prefix + 3)
  if starts(slot, 'ns:') then return kind_of_namespace(key) end
  if string.find(slot, '}:did:', 1, true) then return 'requests' end
  if starts(slot, 'inbox:') then return 'messages' end
  if starts(slot, 'registry}') then return 'workers' end
  return 'other'
end

local fullest = {}

local function note(what, used, of)
  used = tonumber(used or 0)
  if used > 0 and used > (fullest[what] or {used = 0}).used then fullest[what] = {what = what, used = used, of = of or ''} end
end

local function most(key)
  local largest = 0
  for _, number in ipairs(redis.call('HVALS', key)) do largest = math.max(largest, tonumber(number) or 0) end
  return largest
end

local function note_namespace(key, of, rest)
  if rest == 'state-names' then note('state_entries', redis.call('ZCARD', key), of) end
  if rest == 'state-sizes' then note('state_bytes', redis.call('HGET', key, 'all') or 0, of) end
  if rest == 'lock-names' then note('locks', redis.call('ZCARD', key), of) end
  if rest == 'files' then note('leases', redis.call('HLEN', key), of) end
end

-- Messages are counted by who sent them: `s:` sender, `c:` caller; SHIM's own have room of their own.
local function note_inbox(key, of, rest)
  if rest ~= 'senders' then return end
  local counts, all = redis.call('HGETALL', key), 0
  for i = 1, #counts, 2 do
    local by, number = counts[i], tonumber(counts[i + 1]) or 0
    if starts(by, 's:') then
      note('messages_of_a_sender', number, of)
      all = all + number
    elseif starts(by, 'c:') then
      note('messages_of_a_caller', number, of)
    elseif by == 'bytes' then
      note('message_bytes', number, of)
    end
  end
  note('messages', all, of)
end

local function note_bounds(key)
  if starts(key, args.tasks) then
    if string.sub(key, #args.tasks + 1) == 'live' then note('jobs', redis.call('ZCARD', key)) end
    return
  end
  local slot, rest = string.match(string.sub(key, #args.prefix + 3), '^(.*)}:([%w-]+)$')
  if not slot then return end
  if starts(slot, 'ns:') then note_namespace(key, string.sub(slot, 4), rest) end
  if starts(slot, 'inbox:') then note_inbox(key, string.sub(slot, 7), rest) end
  if slot == 'registry' and rest == 'living' then note('workers', redis.call('ZCARD', key)) end
  if slot == 'places' then
    if rest == 'inboxes' or rest == 'namespaces' then note(rest, redis.call('ZCARD', key)) end
    if rest == 'inboxes-of' or rest == 'namespaces-of' then note(string.sub(rest, 1, -4) .. '_of_a_caller', most(key)) end
  end
end

for _, key in ipairs(scanned[2]) do
  note_bounds(key)
  local kind = kind_of(key)
  sizes[kind] = sizes[kind] or {0, 0}
  sizes[kind][1] = sizes[kind][1] + 1
  sizes[kind][2] = sizes[kind][2] + (redis.call('MEMORY', 'USAGE', key) or 0)
end
local list = {}
for kind, size in pairs(sizes) do list[#list + 1] = {kind = kind, keys = size[1], bytes = size[2]} end
local bounds = {}
for _, bound in pairs(fullest) do bounds[#bounds + 1] = bound end
return reply('OK', {cursor = scanned[1], sizes = list, bounds = bounds})
