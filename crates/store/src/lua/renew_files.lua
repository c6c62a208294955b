-- Keeps a lease for longer, if its holder has it still.
-- KEYS: files, deadlines, table
-- ARGV: lease id, holder, ttl_ms
-- OK: expires_ms, what is stored. Refusal: LOST.
local now = now_ms()
local stored, due = redis.call('HGET', KEYS[1], ARGV[1]), redis.call('ZSCORE', KEYS[2], ARGV[1])
if not stored or not due or tonumber(due) <= now then return {'LOST'} end
if holder_of(stored) ~= ARGV[2] then return {'LOST'} end

local expires = now + ARGV[3]
redis.call('ZADD', KEYS[2], expires, ARGV[1])
keep_table()
return {'OK', expires, stored}
