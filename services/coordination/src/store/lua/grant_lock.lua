-- Makes whoever got the Redlock the holder, with the next fencing token. While a record lives nobody else is granted
-- the lock, so a caller that was stopped between the two steps cannot push out a later holder.
-- KEYS: lock, clock, locks, did
-- ARGV: fingerprint, keep_did_ms, name, owner, purpose, redlock value, ttl_ms
-- OK: token, since_ms, expires_ms, redlock value. Refusals: REQUEST_ID_REUSED, HELD owner, purpose, left_ms.
return once(KEYS[4], ARGV[1], ARGV[2], function()
  local holder = redis.call('HMGET', KEYS[1], 'owner', 'purpose')
  if holder[1] then return {'HELD', holder[1], holder[2], redis.call('PTTL', KEYS[1])} end
  local now = now_ms()
  local token = tick(KEYS[2])
  redis.call('HSET', KEYS[1], 'token', token, 'owner', ARGV[4], 'purpose', ARGV[5], 'since', now, 'value', ARGV[6])
  redis.call('PEXPIREAT', KEYS[1], now + ARGV[7])
  redis.call('ZADD', KEYS[3], now + ARGV[7], ARGV[3])
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. now)
  linger(KEYS[3])
  return {'OK', token, now, now + ARGV[7], ARGV[6]}
end)
