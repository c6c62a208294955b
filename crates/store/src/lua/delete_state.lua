-- Deletes an entry, if its version is the expected one and the fence holds.
-- args: fingerprint, keep_ms, expected_version (nil: any), fence_token, name, envelope (up to the version)
-- OK: existed. Refusals: REQUEST_ID_REUSED, STALE_FENCE, VERSION_MISMATCH {current}.
local entry_key, lock_key, request_key = KEYS[5], KEYS[6], KEYS[7]

return once(request_key, args.fingerprint, args.keep_ms, function()
  local current, refused = check(entry_key, lock_key)
  if refused then return refused end
  if not current then return reply('OK', {existed = false}) end

  local version = tick(clock_key)
  redis.call('DEL', entry_key)
  note_size(args.name, 0)
  redis.call('ZREM', names_key, args.name)
  redis.call('ZREM', deadlines_key, args.name)
  publish_change('deleted', version, args.name, args.envelope)
  return reply('OK', {existed = true})
end)
