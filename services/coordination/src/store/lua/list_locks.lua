-- A page of held locks in the order of their names.
-- KEYS: locks
-- ARGV: prefix of the locks' keys, name to go on after, count
-- OK: last name if there are more ('' if not), then {name, token, owner, purpose, since_ms, expires_ms}, ...
local now = now_ms()
local names = redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')
table.sort(names)
local page, last, count = {}, '', tonumber(ARGV[3])
for _, name in ipairs(names) do
  if name > ARGV[2] then
    if #page == count then
      last = page[count][1]
      break
    end
    local key = ARGV[1] .. name
    local held = redis.call('HMGET', key, 'token', 'owner', 'purpose', 'since')
    if held[1] then
      page[#page + 1] = {name, held[1], held[2], held[3], held[4], redis.call('PEXPIRETIME', key)}
    end
  end
end
return {'OK', last, unpack(page)}
