-- What a history holds after a position.
-- KEYS: feed, clock
-- ARGV: position, how many at most
-- OK: {position-0, {field, value, ...}}, ... Refusal: LOST, if events after the position may have been trimmed.
if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[2]) or '0') then return {'LOST'} end
if redis.call('EXISTS', KEYS[1]) == 0 then return {'OK'} end
local info, facts = redis.call('XINFO', 'STREAM', KEYS[1]), {}
for i = 1, #info, 2 do facts[info[i]] = info[i + 1] end
local trimmed = facts['entries-added'] > facts['length']
if trimmed then
  local first = facts['first-entry'] and tonumber(string.match(facts['first-entry'][1], '^%d+')) or math.huge
  if first > tonumber(ARGV[1]) then return {'LOST'} end
end
return {'OK', unpack(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2]))}
