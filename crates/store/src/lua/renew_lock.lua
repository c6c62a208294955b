-- Keeps a lock for longer, if it is held with this token by this owner.
-- KEYS: lock, deadlines
-- ARGV: name, owner, token, ttl_ms
-- OK: purpose, since_ms, expires_ms, redlock value. Refusal: LOST token, owner of the holder.
local held = redis.call('HMGET', KEYS[1], 'token', 'owner', 'purpose', 'since', 'value')
if held[1] ~= ARGV[3] or held[2] ~= ARGV[2] then return {'LOST', held[1] or '', held[2] or ''} end
local expires = now_ms() + ARGV[4]
redis.call('PEXPIREAT', KEYS[1], expires)
redis.call('ZADD', KEYS[2], expires, ARGV[1])
return {'OK', held[3], held[4], expires, held[5]}
