-- Takes leases of a holder off: the named ones, or all if none is named.
-- args: fingerprint, keep_ms, holder, lease_ids, channel, envelope (up to the count)
-- OK: released (how many were held until now). Refusal: REQUEST_ID_REUSED.
local request_key = KEYS[5]

return once(request_key, args.fingerprint, args.keep_ms, function()
  local now, released = now_ms(), 0
  local lease_ids = #args.lease_ids > 0 and args.lease_ids or redis.call('HKEYS', files_key)
  for _, lease_id in ipairs(lease_ids) do
    local stored = redis.call('HGET', files_key, lease_id)
    if stored and holder_of(stored) == args.holder then
      if tonumber(redis.call('ZSCORE', deadlines_key, lease_id) or 0) > now then released = released + 1 end
      forget(lease_id)
    end
  end
  sweep(now)
  keep_table()
  if released > 0 then redis.call('PUBLISH', args.channel, args.envelope .. released .. '}}') end
  return reply('OK', {released = released})
end)
