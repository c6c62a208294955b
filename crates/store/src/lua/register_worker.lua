-- Makes a worker known, in the place of an older incarnation of it.
-- KEYS: clock, history, due, living, known, gone, did
-- ARGV: slot, channels, history length, fingerprint, keep_did_ms, worker, dead_after_ms, capabilities (in one text,
--       with spaces between), then field, value, ...
-- OK: worker, epoch, now, due. Refusal: REQUEST_ID_REUSED.
return once(KEYS[7], ARGV[4], ARGV[5], function()
  local id, capabilities = ARGV[6], ARGV[8]
  local key = worker_key(id)
  for capability in string.gmatch(redis.call('HGET', key, 'capabilities') or '', '%S+') do
    redis.call('ZREM', capability_key(capability), id)
  end

  local epoch, now = tick(KEYS[1]), now_ms()
  local due = now + ARGV[7]
  redis.call('DEL', key)
  redis.call('HSET', key, 'epoch', epoch, 'registered', now, 'beat', now, 'due', due, 'running', 0, 'state', IDLE,
    'health', 1, 'detail', '', 'capabilities', capabilities, unpack(ARGV, 9))
  redis.call('ZADD', KEYS[3], due, id)
  redis.call('ZADD', KEYS[4], 0, id)
  redis.call('ZADD', KEYS[5], 0, id)
  redis.call('ZREM', KEYS[6], id)
  for capability in string.gmatch(capabilities, '%S+') do
    redis.call('ZADD', capability_key(capability), 0, id)
  end
  tell_worker('registered', epoch, id, epoch, now)
  return {'OK', id, epoch, now, due}
end)
