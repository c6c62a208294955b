-- Looks at some of all keys, and adds up by kind what they take of Redis's memory. It writes nothing.
-- args: cursor, pattern (of all of SHIM's keys), prefix (before the brace of a slot), tasks (the start of the keys of tasks)
-- OK: cursor ('0' at the end), sizes {kind = {keys, bytes}, ...}.
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

for _, key in ipairs(scanned[2]) do
  local kind = kind_of(key)
  sizes[kind] = sizes[kind] or {0, 0}
  sizes[kind][1] = sizes[kind][1] + 1
  sizes[kind][2] = sizes[kind][2] + (redis.call('MEMORY', 'USAGE', key) or 0)
end
local list = {}
for kind, size in pairs(sizes) do list[#list + 1] = {kind = kind, keys = size[1], bytes = size[2]} end
return reply('OK', {cursor = scanned[1], sizes = list})
