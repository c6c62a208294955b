-- Gives a lock back, if it is held with this token. What its Redlock is known by stays for as long as lock nodes that
-- are away now may remember it: who comes next gives it back there.
-- KEYS: lock, names, deadlines, did, left
-- ARGV: fingerprint, keep_did_ms, name, owner, token, channel, news up to the token
-- OK: was_held (1 or 0), redlock value. Refusals: REQUEST_ID_REUSED, LOST token, owner: another owner's.
return once(KEYS[4], ARGV[1], ARGV[2], function()
  local held = redis.call('HMGET', KEYS[1], 'token', 'owner', 'value')
  if held[1] ~= ARGV[5] then return {'OK', 0, ''} end
  if held[2] ~= ARGV[4] then return {'LOST', held[1], held[2]} end
  if held[3] ~= '' then redis.call('SET', KEYS[5], held[3], 'PX', math.max(1, redis.call('PTTL', KEYS[1]))) end
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[3])
  redis.call('ZREM', KEYS[3], ARGV[3])
  redis.call('PUBLISH', ARGV[6], ARGV[7] .. held[1] .. '}}')
  return {'OK', 1, held[3]}
end)
