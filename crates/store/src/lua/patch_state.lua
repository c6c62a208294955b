-- Sets and removes single fields of an entry, if its version is the expected one and the fence holds.
-- args: fingerprint, keep_ms, expected_version (nil: any, '0': no entry), fence_token, name, writer, envelope (up to the
--       version), ttl_ms (nil: ends as before), default_ttl_ms, create_if_missing, max_bytes, max_fields,
--       remove {name, ...}, fields {name, value, ...}
-- OK: version, expires_ms. Refusals: REQUEST_ID_REUSED, STALE_FENCE, VERSION_MISMATCH {current}, NOT_FOUND,
-- TOO_LARGE {bytes}, TOO_MANY_FIELDS {count}, STATE_FULL {held, max, what}.
local entry_key, lock_key, request_key = KEYS[5], KEYS[6], KEYS[7]

return once(request_key, args.fingerprint, args.keep_ms, function()
  local current, refused = check(entry_key, lock_key)
  if refused then return refused end
  if not current and not args.create_if_missing and args.expected_version ~= '0' then return reply('NOT_FOUND') end

  local fields, removed, set = args.fields, {}, {}
  for _, name in ipairs(args.remove) do removed[name] = true end
  local bytes, count = 0, 0
  for i = 1, #fields, 2 do
    set[fields[i]] = true
    bytes, count = bytes + #fields[i] + #fields[i + 1], count + 1
  end
  local stored = redis.call('HGETALL', entry_key)
  for i = 1, #stored, 2 do
    local name = stored[i]
    if not removed[name] and not set[name] then
      bytes = bytes + #name + #stored[i + 1]
      if string.sub(name, 1, 1) == ':' then count = count + 1 end
    end
  end
  if bytes > args.max_bytes then return reply('TOO_LARGE', {bytes = bytes}) end
  if count > args.max_fields then return reply('TOO_MANY_FIELDS', {count = count}) end
  local noted, kept_at
  refused, noted, kept_at = refuse_full(not current, bytes)
  if refused then return refused end

  local version = tick(clock_key)
  local now = now_ms()
  local expires = now + (args.ttl_ms or args.default_ttl_ms)
  if not args.ttl_ms and current then expires = redis.call('PEXPIRETIME', entry_key) end
  redis.call('HSET', entry_key, 'v', version, 'w', args.writer, 'u', now, unpack(fields))
  for name in pairs(removed) do
    if not set[name] then redis.call('HDEL', entry_key, name) end
  end
  note_size(args.name, bytes, noted)
  keep_entry(entry_key, not current, expires)
  publish_write('patched', version, not current, kept_at)
  sweep(SWEPT_BY_A_WRITE)
  return reply('OK', {version = version, expires_ms = expires})
end)
