-- One sweep of the reaper: the workers that are due die, and those that went long ago are forgotten.
--
-- Silence counts only while beats could be heard; see `end_silence`.
-- KEYS: clock, history, due, living, known, gone, silence, lock
-- ARGV: slot, channels, history length, fence token, dead_after_ms, stall_ms, how many at most, keep_gone_ms,
--       how many gone at most
-- OK: how many died, how many were forgotten, for each that died how many ms ago it counted as dead. Refusal: STALE_FENCE.
local refused = fenced_out(KEYS[8], ARGV[4])
if refused then return refused end

local now, dead_after, most = now_ms(), tonumber(ARGV[5]), tonumber(ARGV[7])
local grace_until = end_silence(KEYS[7], now, dead_after, tonumber(ARGV[6]))
redis.call('HSET', KEYS[7], 'at', now)

local dead, delays = {}, {}
if now >= grace_until then
  dead = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, most)
end
for _, id in ipairs(dead) do
  delays[#delays + 1] = now - math.max(redis.call('ZSCORE', KEYS[3], id), grace_until)
  local was = redis.call('HMGET', worker_key(id), 'epoch', 'capabilities')
  bury(id, DEAD, was[2] or '', now, ARGV[8])
  tell_worker('dead', tick(KEYS[1]), id, was[1] or '0', now)
end

local too_many = redis.call('ZCARD', KEYS[6]) - ARGV[9]
local oldest = redis.call('ZRANGE', KEYS[6], 0, most - 1, 'WITHSCORES')
local forgotten = 0
for i = 1, #oldest, 2 do
  if forgotten >= too_many and now - oldest[i + 1] < tonumber(ARGV[8]) then break end
  redis.call('ZREM', KEYS[6], oldest[i])
  redis.call('ZREM', KEYS[5], oldest[i])
  redis.call('DEL', worker_key(oldest[i]))
  forgotten = forgotten + 1
end

-- Workers may live for long without a change, and epochs must not begin anew under them.
for i = 1, 2 do
  linger(KEYS[i])
end
return {'OK', #dead, forgotten, delays}
