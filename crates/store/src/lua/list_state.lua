-- A page of entries in the order of their names. It ends before an entry that would make it too large.
-- args: entry_prefix, lowest, highest (bounds of names, as ZRANGEBYLEX reads them), count, max_bytes
-- OK: version (of the namespace), last (the last name looked at, nil if no more follow),
--     entries {{name, expires_ms, fields {name, value, ...}}, ...}.
local names_key, clock_key = KEYS[1], KEYS[2]

-- What an entry takes on the wire at most, beside its key, its writer and its fields: namespace, times, version; and
-- beside the text of a name or a value: tags and lengths.
local ENTRY_BYTES, TEXT_BYTES = 256, 6

local names = redis.call('ZRANGEBYLEX', names_key, args.lowest, args.highest, 'LIMIT', 0, args.count)
local entries, bytes = {}, 0
local last = #names == args.count and names[#names] or nil
for i, name in ipairs(names) do
  local key = args.entry_prefix .. name
  local fields = redis.call('HGETALL', key)
  if #fields > 0 then
    bytes = bytes + ENTRY_BYTES + #name
    for _, text in ipairs(fields) do bytes = bytes + TEXT_BYTES + #text end
    if bytes > args.max_bytes and #entries > 0 then
      last = names[i - 1]
      break
    end
    entries[#entries + 1] = {name = name, expires_ms = redis.call('PEXPIRETIME', key), fields = fields}
  end
end
return reply('OK', {version = redis.call('GET', clock_key) or '0', last = last, entries = entries})
