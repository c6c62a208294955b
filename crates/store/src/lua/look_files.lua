-- The leases that live, or what the same request acquired before.
-- args: fingerprint (nil if only the leases are asked for), fence_token
-- TABLE: now_ms, newest (the token of the newest lease, '0' if there is none), live {id, expires_ms, ...},
-- leases {id, stored, ...} of all, ended ones too. Every acquisition reads the table, so Redis does no work on its content.
-- OK: what acquire_files answered to the same request. Refusals: REQUEST_ID_REUSED, STALE_FENCE.
local files_key, deadlines_key, newest_key, lock_key, request_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]

local acquired = args.fingerprint and recorded(request_key, args.fingerprint)
if acquired then return acquired end
local refused = fenced_out(lock_key, args.fence_token)
if refused then return refused end

local now = now_ms()
return reply('TABLE', {
  now_ms = now,
  newest = redis.call('GET', newest_key) or '0',
  live = redis.call('ZRANGEBYSCORE', deadlines_key, '(' .. now, '+inf', 'WITHSCORES'),
  leases = redis.call('HGETALL', files_key),
})
