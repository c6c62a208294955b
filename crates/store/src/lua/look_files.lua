-- The leases that live, or what the same request acquired before.
-- args: fingerprint (nil if only the leases are asked for), fence_token, known and checked (see `table_since`)
-- TABLE: the fields of `table_since`. OK: what acquire_files answered to the same request.
-- Refusals: REQUEST_ID_REUSED, STALE_FENCE.
local lock_key, request_key = KEYS[5], KEYS[6]

local acquired = args.fingerprint and recorded(request_key, args.fingerprint)
if acquired then return acquired end
local refused = fenced_out(lock_key, args.fence_token)
if refused then return refused end
return reply('TABLE', table_since(args.known, args.checked))
