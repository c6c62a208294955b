-- One sweep of the reaper: the workers that are due die, and the workers that went long ago are forgotten.
--
-- Silence counts only while beats could be heard; see `end_silence`.
-- args: fence_token, dead_after_ms, stall_ms, most (workers in one step), keep_gone_ms, max_gone
-- OK: died, forgotten (counts), delays_ms {for each worker that died, how long ago it counted as dead}.
-- Refusal: STALE_FENCE.
local silence_key, lock_key = KEYS[7], KEYS[8]

local refused = fenced_out(lock_key, args.fence_token)
if refused then return refused end

local now = now_ms()
local grace_until = end_silence(silence_key, now, args.dead_after_ms, args.stall_ms)
redis.call('HSET', silence_key, 'at', now)

local dead, delays = {}, {}
if now >= grace_until then
  dead = redis.call('ZRANGEBYSCORE', due_key, '-inf', now, 'LIMIT', 0, args.most)
end
for _, id in ipairs(dead) do
  delays[#delays + 1] = now - math.max(redis.call('ZSCORE', due_key, id), grace_until)
  local was = redis.call('HMGET', worker_key(id), 'epoch', 'capabilities')
  bury(id, DEAD, was[2] or '', now, args.keep_gone_ms)
  publish_change('dead', tick(clock_key), id, was[1] or '0', now)
end

local too_many = redis.call('ZCARD', gone_key) - args.max_gone
local oldest = redis.call('ZRANGE', gone_key, 0, args.most - 1, 'WITHSCORES')
local forgotten = 0
for i = 1, #oldest, 2 do
  if forgotten >= too_many and now - oldest[i + 1] < args.keep_gone_ms then break end
  redis.call('ZREM', gone_key, oldest[i])
  redis.call('ZREM', known_key, oldest[i])
  redis.call('DEL', worker_key(oldest[i]))
  forgotten = forgotten + 1
end

-- Workers may live for long without a change, and epochs must not begin anew under them.
linger(clock_key)
linger(history_key)
return reply('OK', {died = #dead, forgotten = forgotten, delays_ms = delays})
