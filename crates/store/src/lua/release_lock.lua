-- Gives a lock back, if it is held with this token. The value of its Redlock is kept for as long as lock nodes that are away
-- now may remember it: the next caller gives it back there.
-- args: fingerprint, keep_ms, name, owner, token, channel, envelope (up to the token)
-- OK: was_held, redlock_value. Refusals: REQUEST_ID_REUSED, LOST {token, owner} if another owner holds it with the token.
local lock_key, names_key, deadlines_key, request_key, released_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

return once(request_key, args.fingerprint, args.keep_ms, function()
  local lock = redis.call('HMGET', lock_key, 'token', 'owner', 'value')
  if lock[1] ~= args.token then return reply('OK', {was_held = false}) end
  if lock[2] ~= args.owner then return reply('LOST', {token = lock[1], owner = lock[2]}) end
  if lock[3] ~= '' then redis.call('SET', released_key, lock[3], 'PX', math.max(1, redis.call('PTTL', lock_key))) end
  redis.call('DEL', lock_key)
  redis.call('ZREM', names_key, args.name)
  redis.call('ZREM', deadlines_key, args.name)
  redis.call('PUBLISH', args.channel, args.envelope .. lock[1] .. '}}')
  return reply('OK', {was_held = true, redlock_value = lock[3]})
end)
