-- Keeps a lock for longer, if it is held with this token by this owner.
-- KEYS: lock, locks
-- ARGV: name, owner, token, redlock value, ttl_ms
-- OK: purpose, since_ms, expires_ms. Refusal: LOST token, owner of the holder.
local held = redis.call('HMGET', KEYS[1], 'token', 'owner', 'purpose', 'since')
if held[1] ~= ARGV[3] or held[2] ~= ARGV[2] then return {'LOST', held[1] or '', held[2] or ''} end
local expires = now_ms() + ARGV[5]
redis.call('HSET', KEYS[1], 'value', ARGV[4])
redis.call('PEXPIREAT', KEYS[1], expires)
redis.call('ZADD', KEYS[2], expires, ARGV[1])
return {'OK', held[3], held[4], expires}
