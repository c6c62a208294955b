-- A page of held locks in the order of their names.
-- KEYS: names
-- ARGV: prefix of the locks' keys, lowest name, how many at most
-- OK: last name looked at if there may be more ('' if not), then {name, token, owner, purpose, since_ms, expires_ms}, ...
local names = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], '+', 'LIMIT', 0, ARGV[3])
local page = {}
for _, name in ipairs(names) do
  local key = ARGV[1] .. name
  local held = redis.call('HMGET', key, 'token', 'owner', 'purpose', 'since')
  if held[1] then
    page[#page + 1] = {name, held[1], held[2], held[3], held[4], redis.call('PEXPIRETIME', key)}
  end
end
return {'OK', #names == tonumber(ARGV[3]) and names[#names] or '', unpack(page)}
