-- A page of entries in the order of their names.
-- KEYS: names, clock
-- ARGV: prefix of the entries' keys, lowest name, highest name, count, max bytes
-- OK: version of the namespace, last name looked at ('' if no more), then {name, expires_ms, {field, value, ...}}, ...
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
local entries, bytes, last = {}, 0, ''
for i, name in ipairs(names) do
  local key = ARGV[1] .. name
  local fields = redis.call('HGETALL', key)
  if #fields > 0 then
    for _, text in ipairs(fields) do bytes = bytes + #text end
    entries[#entries + 1] = {name, redis.call('PEXPIRETIME', key), fields}
  end
  if bytes > tonumber(ARGV[5]) or (i == #names and #names == tonumber(ARGV[4])) then
    last = name
    break
  end
end
return {'OK', redis.call('GET', KEYS[2]) or '0', last, unpack(entries)}
