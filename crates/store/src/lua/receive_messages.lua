-- Acknowledges messages, then gives messages out: first again those that were not acknowledged in time, then new ones.
-- A peek changes nothing: it shows the oldest messages, given out or not.
-- args: peek, acknowledged (ids), max (messages), visibility_ms, max_bytes (of all messages together), max_message_bytes
-- OK: remaining (messages in the inbox beside these), next_due_ms (until the first message is given out again, nil if none
--     is out), messages {{id, stored, deliveries}, ...}.
acknowledge(args.acknowledged)
if redis.call('XLEN', messages_key) == 0 then return reply('OK', {remaining = 0, messages = {}}) end

local now = now_ms()
local taken, bytes = {}, 0

-- How many more messages surely stay within the limits.
local function room()
  return math.min(args.max - #taken, math.floor((args.max_bytes - bytes) / args.max_message_bytes))
end

local function show(entry, deliveries)
  local id, message = entry[1], entry[2][2]
  taken[#taken + 1] = {id = id, stored = message, deliveries = deliveries}
  bytes = bytes + #message
end

if args.peek then
  for _, entry in ipairs(redis.call('XRANGE', messages_key, '-', '+', 'COUNT', args.max)) do
    if room() < 1 then break end
    local out = redis.call('XPENDING', messages_key, GROUP, entry[1], entry[1], 1)[1]
    show(entry, out and out[4] or 0)
  end
  return reply('OK', {remaining = redis.call('XLEN', messages_key) - #taken, messages = taken})
end

local function give(entry, deliveries)
  show(entry, deliveries)
  redis.call('ZADD', deadlines_key, now + args.visibility_ms, entry[1])
end

while room() > 0 do
  local due = redis.call('ZRANGEBYSCORE', deadlines_key, '-inf', '(' .. now, 'LIMIT', 0, room())
  if #due == 0 then break end
  -- A claimed message gets its new deadline; one that is gone is forgotten.
  redis.call('ZREM', deadlines_key, unpack(due))
  for _, entry in ipairs(redis.call('XCLAIM', messages_key, GROUP, GROUP, 0, unpack(due))) do
    give(entry, redis.call('XPENDING', messages_key, GROUP, entry[1], entry[1], 1)[1][4])
  end
end

while room() > 0 do
  local read = redis.call('XREADGROUP', 'GROUP', GROUP, GROUP, 'COUNT', room(), 'STREAMS', messages_key, '>')
  if not read then break end
  for _, entry in ipairs(read[1][2]) do give(entry, 1) end
end

if #taken > 0 then redis.call('PEXPIRE', deadlines_key, redis.call('PTTL', messages_key)) end
local first = redis.call('ZRANGE', deadlines_key, 0, 0, 'WITHSCORES')
return reply('OK', {remaining = redis.call('XLEN', messages_key) - #taken, next_due_ms = first[2] and first[2] - now + 1,
  messages = taken})
