-- Takes leases of a holder off: those named, or all.
-- KEYS: files, deadlines, table, did
-- ARGV: fingerprint, keep_did_ms, holder, channel, news up to the count, then lease ids ...
-- OK: how many were held until now. Refusal: REQUEST_ID_REUSED.
return once(KEYS[4], ARGV[1], ARGV[2], function()
  local now, released = now_ms(), 0
  local lease_ids = #ARGV > 5 and {unpack(ARGV, 6)} or redis.call('HKEYS', KEYS[1])
  for _, lease_id in ipairs(lease_ids) do
    local stored = redis.call('HGET', KEYS[1], lease_id)
    if stored and holder_of(stored) == ARGV[3] then
      if tonumber(redis.call('ZSCORE', KEYS[2], lease_id) or 0) > now then released = released + 1 end
      forget(lease_id)
    end
  end
  sweep(now)
  keep_table()
  if released > 0 then redis.call('PUBLISH', ARGV[4], ARGV[5] .. released .. '}}') end
  return {'OK', released}
end)
