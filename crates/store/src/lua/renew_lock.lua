-- Moves the end of a lock, if this owner holds it with this token.
-- args: name, owner, token, ttl_ms
-- OK: token, owner, purpose, since_ms, expires_ms, redlock_value. Refusal: LOST {token, owner} of the present holder.
local lock_key, deadlines_key = KEYS[1], KEYS[2]

local lock = redis.call('HMGET', lock_key, 'token', 'owner', 'purpose', 'since', 'value')
if lock[1] ~= args.token or lock[2] ~= args.owner then
  return reply('LOST', {token = lock[1] or nil, owner = lock[2] or nil})
end
local expires = now_ms() + args.ttl_ms
redis.call('PEXPIREAT', lock_key, expires)
redis.call('ZADD', deadlines_key, expires, args.name)
return reply('OK', {token = lock[1], owner = lock[2], purpose = lock[3], since_ms = lock[4], expires_ms = expires,
  redlock_value = lock[5]})
