-- Makes the caller the holder of a free lock, with the next fencing token. While a record lives no other caller is granted
-- the lock, so a caller that was stopped after a majority of the lock nodes agreed cannot push out a later holder.
-- args: fingerprint, keep_ms, name, owner, purpose, redlock_value, ttl_ms, max_locks
-- OK: token, since_ms, expires_ms. Refusals: REQUEST_ID_REUSED, HELD {owner, purpose, left_ms}, TOO_MANY {held}.
local lock_key, clock_key, names_key, deadlines_key, request_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

return once(request_key, args.fingerprint, args.keep_ms, function()
  local holder = redis.call('HMGET', lock_key, 'owner', 'purpose')
  if holder[1] then
    return reply('HELD', {owner = holder[1], purpose = holder[2], left_ms = redis.call('PTTL', lock_key)})
  end
  local now = now_ms()
  local held = redis.call('ZCOUNT', deadlines_key, now, '+inf')
  if held >= args.max_locks then return reply('TOO_MANY', {held = held}) end
  local token, expires = tick(clock_key), now + args.ttl_ms
  redis.call('HSET', lock_key, 'token', token, 'owner', args.owner, 'purpose', args.purpose, 'since', now,
    'value', args.redlock_value)
  redis.call('PEXPIREAT', lock_key, expires)
  -- More leave the lists than enter them, so the lists stay as small as the set of held locks.
  local ended = redis.call('ZRANGEBYSCORE', deadlines_key, '-inf', '(' .. now, 'LIMIT', 0, 4)
  for _, name in ipairs(ended) do
    redis.call('ZREM', names_key, name)
    redis.call('ZREM', deadlines_key, name)
  end
  redis.call('ZADD', names_key, 0, args.name)
  redis.call('ZADD', deadlines_key, expires, args.name)
  -- Both lists come and go together, and so do their ends.
  if linger(deadlines_key) then redis.call('PEXPIRE', names_key, QUIET_MS) end
  return reply('OK', {token = token, since_ms = now, expires_ms = expires})
end)
