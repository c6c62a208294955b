-- Lets a worker go in good order.
-- KEYS: clock, history, due, living, known, gone, did
-- ARGV: slot, channels, history length, fingerprint, keep_did_ms, worker, epoch, reason, keep_gone_ms
-- OK: {field, value, ...}. Refusals: REQUEST_ID_REUSED, NOT_FOUND, STALE current epoch, state.
return once(KEYS[7], ARGV[4], ARGV[5], function()
  local id = ARGV[6]
  local key = worker_key(id)
  local was = redis.call('HMGET', key, 'epoch', 'state', 'capabilities')
  local refused = outlived(was[1], was[2], ARGV[7])
  if refused then return refused end

  local now = now_ms()
  if ARGV[8] ~= '' then redis.call('HSET', key, 'detail', ARGV[8]) end
  bury(id, STOPPED, was[3], now, ARGV[9])
  tell_worker('stopped', tick(KEYS[1]), id, was[1], now)
  return {'OK', redis.call('HGETALL', key)}
end)
