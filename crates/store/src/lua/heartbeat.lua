-- Hears a worker. It writes over what is there, so a full Redis kills nobody; only what others would want to know is
-- told.
-- KEYS: clock, history, due, living, known, gone, silence
-- ARGV: slot, channels, history length, worker, epoch, running, state (0: judged by running), health, detail,
--       dead_after_ms, stall_ms
-- OK: due. Refusals: NOT_FOUND, STALE current epoch, state.
local id, running, state = ARGV[4], ARGV[6], ARGV[7]
local key = worker_key(id)
local was = redis.call('HMGET', key, 'epoch', 'state', 'health', 'detail', 'capacity')
local refused = outlived(was[1], was[2], ARGV[5])
if refused then return refused end
if state == '0' then state = tonumber(running) < tonumber(was[5]) and IDLE or BUSY end

local now = now_ms()
local due = now + ARGV[10]
end_silence(KEYS[7], now, tonumber(ARGV[10]), tonumber(ARGV[11]))
redis.call('ZADD', KEYS[3], due, id)
if was[2] == state and was[3] == ARGV[8] and was[4] == ARGV[9] then
  redis.call('HSET', key, 'running', running, 'beat', now, 'due', due)
else
  redis.call('HSET', key, 'running', running, 'beat', now, 'due', due, 'state', state, 'health', ARGV[8],
    'detail', ARGV[9])
  tell_worker('changed', tick(KEYS[1]), id, was[1], now)
end
return {'OK', due}
