-- Makes the caller the holder of a free lock, with the next fencing token. While a record lives nobody else is granted
-- the lock, so a caller that was stopped after a majority of the lock nodes agreed cannot push out a later holder.
-- KEYS: lock, clock, names, deadlines, did
-- ARGV: fingerprint, keep_did_ms, name, owner, purpose, redlock value, ttl_ms
-- OK: token, since_ms, expires_ms. Refusals: REQUEST_ID_REUSED, HELD owner, purpose, left_ms.
return once(KEYS[5], ARGV[1], ARGV[2], function()
  local holder = redis.call('HMGET', KEYS[1], 'owner', 'purpose')
  if holder[1] then return {'HELD', holder[1], holder[2], redis.call('PTTL', KEYS[1])} end
  local now = now_ms()
  local token, expires = tick(KEYS[2]), now + ARGV[7]
  redis.call('HSET', KEYS[1], 'token', token, 'owner', ARGV[4], 'purpose', ARGV[5], 'since', now, 'value', ARGV[6])
  redis.call('PEXPIREAT', KEYS[1], expires)
  -- More leave the lists than enter them, so they stay as small as what is held.
  local gone = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '(' .. now, 'LIMIT', 0, 4)
  for _, name in ipairs(gone) do
    redis.call('ZREM', KEYS[3], name)
    redis.call('ZREM', KEYS[4], name)
  end
  redis.call('ZADD', KEYS[3], 0, ARGV[3])
  redis.call('ZADD', KEYS[4], expires, ARGV[3])
  linger(KEYS[3])
  linger(KEYS[4])
  return {'OK', token, now, expires}
end)
