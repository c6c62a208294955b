-- The leases that live, and what a request id did.
-- KEYS: files, deadlines, table, lock, did
-- ARGV: fingerprint ('' if only the leases are asked for), fence token
-- OK: now_ms, token of the newest lease ('0' if none), {id, expires_ms, ...} of those that live, {id, stored, ...} of
-- all. A table is read for every acquisition, so Redis has nothing to do with its content here.
-- DONE: what acquire_files answered to the same request before. Refusals: REQUEST_ID_REUSED, STALE_FENCE.
local seen = ARGV[1] ~= '' and redis.call('GET', KEYS[5])
if seen then
  local record = cmsgpack.unpack(seen)
  if record[1] ~= ARGV[1] then return {'REQUEST_ID_REUSED'} end
  record[2][1] = 'DONE'
  return record[2]
end
local refused = fenced_out(KEYS[4], ARGV[2])
if refused then return refused end

local now = now_ms()
local live = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. now, '+inf', 'WITHSCORES')
return {'OK', now, redis.call('GET', KEYS[3]) or '0', live, redis.call('HGETALL', KEYS[1])}
