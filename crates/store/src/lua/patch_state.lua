-- Sets and removes single fields of an entry, if its version is the expected one and the fence holds.
-- KEYS: entry, clock, names, deadlines, feed, lock, did
-- ARGV: fingerprint, keep_did_ms, expected ('' any, '0' none), ttl_ms ('' as before), writer, key, fence token,
--       feed length, channel, news, news of the expired up to the key, default ttl_ms, create (1 or 0), max bytes,
--       max fields, fields to remove (count), their names ..., then field, value, ...
-- OK: version, expires_ms. Refusals: REQUEST_ID_REUSED, STALE_FENCE, VERSION_MISMATCH current, NOT_FOUND,
-- TOO_LARGE bytes, TOO_MANY_FIELDS count.
return once(KEYS[7], ARGV[1], ARGV[2], function()
  local refused = fenced_out(KEYS[6], ARGV[7])
  if refused then return refused end
  local current = redis.call('HGET', KEYS[1], 'v')
  if ARGV[3] ~= '' and (current or '0') ~= ARGV[3] then return {'VERSION_MISMATCH', current or '0'} end
  if not current and ARGV[13] == '0' and ARGV[3] ~= '0' then return {'NOT_FOUND'} end

  local removed, first_field = {}, 17 + ARGV[16]
  for i = 17, first_field - 1 do removed[ARGV[i]] = true end
  local set = {}
  local bytes, count = 0, 0
  for i = first_field, #ARGV, 2 do
    set[ARGV[i]] = true
    bytes, count = bytes + #ARGV[i] + #ARGV[i + 1], count + 1
  end
  local now_there = redis.call('HGETALL', KEYS[1])
  for i = 1, #now_there, 2 do
    local name = now_there[i]
    if not removed[name] and not set[name] then
      bytes = bytes + #name + #now_there[i + 1]
      if string.sub(name, 1, 1) == ':' then count = count + 1 end
    end
  end
  if bytes > tonumber(ARGV[14]) then return {'TOO_LARGE', bytes} end
  if count > tonumber(ARGV[15]) then return {'TOO_MANY_FIELDS', count} end

  local version = tick(KEYS[2])
  local now = now_ms()
  local expires = now + (ARGV[4] ~= '' and ARGV[4] or ARGV[12])
  if ARGV[4] == '' and current then expires = redis.call('PEXPIRETIME', KEYS[1]) end
  redis.call('HSET', KEYS[1], 'v', version, 'w', ARGV[5], 'u', now, unpack(ARGV, first_field))
  for name in pairs(removed) do
    if not set[name] then redis.call('HDEL', KEYS[1], name) end
  end
  keep_entry(not current, ARGV[6], expires)
  tell_change('patched', version, ARGV[6], ARGV[8], ARGV[9], ARGV[10])
  sweep_some(ARGV[6], ARGV[8], ARGV[9], ARGV[11])
  return {'OK', version, expires}
end)
