-- Acknowledges messages, then gives some out: first again those that nobody acknowledged in time, then new ones.
-- KEYS: messages, deadlines
-- ARGV: how many at most, visibility_ms, most bytes together, most bytes of one, ids to acknowledge ...
-- OK: how many more there are, ms until the first of them is given out again (-1 if none is out), then
-- {id, message, deliveries}, ...
acknowledge(5)
if redis.call('XLEN', KEYS[1]) == 0 then return {'OK', 0, -1} end

local now = now_ms()
local taken, bytes = {}, 0

-- How many more are surely within the limits.
local function room()
  return math.min(ARGV[1] - #taken, math.floor((ARGV[3] - bytes) / ARGV[4]))
end

local function give(entry, deliveries)
  local id, message = entry[1], entry[2][2]
  taken[#taken + 1] = {id, message, deliveries}
  bytes = bytes + #message
  redis.call('ZADD', KEYS[2], now + ARGV[2], id)
end

while room() > 0 do
  local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. now, 'LIMIT', 0, room())
  if #due == 0 then break end
  -- What is claimed gets its new deadline; what is not there any more is forgotten.
  redis.call('ZREM', KEYS[2], unpack(due))
  for _, entry in ipairs(redis.call('XCLAIM', KEYS[1], GROUP, GROUP, 0, unpack(due))) do
    give(entry, redis.call('XPENDING', KEYS[1], GROUP, entry[1], entry[1], 1)[1][4])
  end
end

while room() > 0 do
  local read = redis.call('XREADGROUP', 'GROUP', GROUP, GROUP, 'COUNT', room(), 'STREAMS', KEYS[1], '>')
  if not read then break end
  for _, entry in ipairs(read[1][2]) do give(entry, 1) end
end

if #taken > 0 then redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1])) end
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local wait = first[2] and first[2] - now + 1 or -1
return {'OK', redis.call('XLEN', KEYS[1]) - #taken, wait, unpack(taken)}
