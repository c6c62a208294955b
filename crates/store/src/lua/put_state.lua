-- Writes an entry whole, if its version is the expected one and the fence holds.
-- args: fingerprint, keep_ms, expected_version (nil: any, '0': no entry), fence_token, name, writer, envelope (up to the
--       version), ttl_ms, fields {name, value, ...}
-- OK: version, expires_ms. Refusals: REQUEST_ID_REUSED, STALE_FENCE, VERSION_MISMATCH {current}, STATE_FULL {held, max, what}.
local entry_key, lock_key, request_key = KEYS[5], KEYS[6], KEYS[7]

return once(request_key, args.fingerprint, args.keep_ms, function()
  local current, refused = check(entry_key, lock_key)
  if refused then return refused end
  local bytes = 0
  for _, part in ipairs(args.fields) do bytes = bytes + #part end
  local noted, kept_at
  refused, noted, kept_at = refuse_full(not current, bytes)
  if refused then return refused end

  local version = tick(clock_key)
  local now = now_ms()
  local expires = now + args.ttl_ms
  if current then redis.call('DEL', entry_key) end
  redis.call('HSET', entry_key, 'v', version, 'w', args.writer, 'u', now, unpack(args.fields))
  note_size(args.name, bytes, noted)
  keep_entry(entry_key, not current, expires)
  publish_write('put', version, not current, kept_at)
  sweep(SWEPT_BY_A_WRITE)
  return reply('OK', {version = version, expires_ms = expires})
end)
