-- Takes a worker off in good order.
-- args: fingerprint, keep_ms, worker_id, epoch, reason, keep_gone_ms
-- OK: worker {field, value, ...}. Refusals: REQUEST_ID_REUSED, NOT_FOUND, STALE {epoch, state}.
local request_key = KEYS[7]

return once(request_key, args.fingerprint, args.keep_ms, function()
  local id = args.worker_id
  local key = worker_key(id)
  local was = redis.call('HMGET', key, 'epoch', 'state', 'capabilities')
  local refused = outlived(was[1], was[2], args.epoch)
  if refused then return refused end

  local now = now_ms()
  if args.reason ~= '' then redis.call('HSET', key, 'detail', args.reason) end
  bury(id, STOPPED, was[3], now, args.keep_gone_ms)
  publish_change('stopped', tick(clock_key), id, was[1], now)
  return reply('OK', {worker = redis.call('HGETALL', key)})
end)
