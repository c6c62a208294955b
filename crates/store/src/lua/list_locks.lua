-- A page of held locks in the order of their names.
-- args: lock_prefix (the start of every lock's key), lowest (name, as ZRANGEBYLEX reads it), count
-- OK: last (the last name looked at, nil if no more follow),
--     locks {{name, token, owner, purpose, since_ms, expires_ms}, ...}.
local names_key = KEYS[1]

local names = redis.call('ZRANGEBYLEX', names_key, args.lowest, '+', 'LIMIT', 0, args.count)
local locks = {}
for _, name in ipairs(names) do
  local key = args.lock_prefix .. name
  local lock = redis.call('HMGET', key, 'token', 'owner', 'purpose', 'since')
  if lock[1] then
    locks[#locks + 1] = {name = name, token = lock[1], owner = lock[2], purpose = lock[3], since_ms = lock[4],
      expires_ms = redis.call('PEXPIRETIME', key)}
  end
end
return reply('OK', {last = #names == args.count and names[#names] or nil, locks = locks})
