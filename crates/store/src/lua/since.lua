-- The events of a history after a position.
-- args: after, count (events at most)
-- OK: events {{position-0, {field, value, ...}}, ...}. Refusal: LOST, if events after the position may have been trimmed.
local history_key, clock_key = KEYS[1], KEYS[2]

local after = tonumber(args.after)
if after > tonumber(redis.call('GET', clock_key) or '0') then return reply('LOST') end
if redis.call('EXISTS', history_key) == 0 then return reply('OK', {events = {}}) end
local info, facts = redis.call('XINFO', 'STREAM', history_key), {}
for i = 1, #info, 2 do facts[info[i]] = info[i + 1] end
local is_trimmed = facts['entries-added'] > facts['length']
if is_trimmed then
  local first = facts['first-entry'] and tonumber(string.match(facts['first-entry'][1], '^%d+')) or math.huge
  if first > after then return reply('LOST') end
end
return reply('OK', {events = redis.call('XRANGE', history_key, '(' .. args.after .. '-0', '+', 'COUNT', args.count)})
