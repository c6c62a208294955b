-- Moves the end of a lease, if its holder has it still.
-- args: lease_id, holder, ttl_ms
-- OK: expires_ms, stored. Refusal: LOST.
local now = now_ms()
local stored, due = redis.call('HGET', files_key, args.lease_id), redis.call('ZSCORE', deadlines_key, args.lease_id)
if not stored or not due or tonumber(due) <= now then return reply('LOST') end
if holder_of(stored) ~= args.holder then return reply('LOST') end

local expires = now + args.ttl_ms
redis.call('ZADD', deadlines_key, expires, args.lease_id)
keep_table()
return reply('OK', {expires_ms = expires, stored = stored})
