-- Who holds a lock, and what a request id did.
-- KEYS: lock, did, left
-- ARGV: fingerprint ('' if only the lock is asked for)
-- HELD: left_ms, token, owner, purpose, since_ms, expires_ms. FREE: redlock value that was left behind, or ''.
-- DONE: what grant_lock answered to the same request before. Refusal: REQUEST_ID_REUSED.
local seen = ARGV[1] ~= '' and redis.call('GET', KEYS[2])
if seen then
  local record = cmsgpack.unpack(seen)
  if record[1] ~= ARGV[1] then return {'REQUEST_ID_REUSED'} end
  record[2][1] = 'DONE'
  return record[2]
end
local expires = redis.call('PEXPIRETIME', KEYS[1])
if expires < 0 then return {'FREE', redis.call('GET', KEYS[3]) or ''} end
local held = redis.call('HMGET', KEYS[1], 'token', 'owner', 'purpose', 'since')
return {'HELD', math.max(0, expires - now_ms()), held[1], held[2], held[3], held[4], expires}
