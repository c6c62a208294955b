-- The holder of a lock, or what the same request acquired before.
-- args: fingerprint (nil if only the lock is asked for)
-- HELD: left_ms, token, owner, purpose, since_ms, expires_ms. FREE: released_value, the value that lock nodes may still
-- remember of the last holder. OK: what grant_lock answered to the same request. Refusal: REQUEST_ID_REUSED.
local lock_key, request_key, released_key = KEYS[1], KEYS[2], KEYS[3]

local granted = args.fingerprint and recorded(request_key, args.fingerprint)
if granted then return granted end
local expires = redis.call('PEXPIRETIME', lock_key)
if expires < 0 then return reply('FREE', {released_value = redis.call('GET', released_key) or nil}) end
local lock = redis.call('HMGET', lock_key, 'token', 'owner', 'purpose', 'since')
return reply('HELD', {left_ms = math.max(0, expires - now_ms()), token = lock[1], owner = lock[2], purpose = lock[3],
  since_ms = lock[4], expires_ms = expires})
