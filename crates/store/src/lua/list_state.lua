-- A page of entries in the order of their names. It ends before an entry that would make it too large.
-- KEYS: names, clock
-- ARGV: prefix of the entries' keys, lowest name, highest name, count, max bytes
-- OK: version of the namespace, last name looked at ('' if no more), then {name, expires_ms, {field, value, ...}}, ...

-- What an entry takes on the wire at most, beside its key, its writer and its fields: namespace, times, version; and
-- beside the text of a name or a value: tags and lengths.
local ENTRY_BYTES, TEXT_BYTES = 256, 6

local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
local entries, bytes = {}, 0
local last = #names == tonumber(ARGV[4]) and names[#names] or ''
for i, name in ipairs(names) do
  local key = ARGV[1] .. name
  local fields = redis.call('HGETALL', key)
  if #fields > 0 then
    bytes = bytes + ENTRY_BYTES + #name
    for _, text in ipairs(fields) do bytes = bytes + TEXT_BYTES + #text end
    if bytes > tonumber(ARGV[5]) and #entries > 0 then
      last = names[i - 1]
      break
    end
    entries[#entries + 1] = {name, redis.call('PEXPIRETIME', key), fields}
  end
end
return {'OK', redis.call('GET', KEYS[2]) or '0', last, unpack(entries)}
