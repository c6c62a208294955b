-- A page of workers in the order of their ids.
-- KEYS: clock, the list to read
-- ARGV: slot, lowest id, how many at most, how many to look at, state ('0' any), capability ('' any), max bytes
-- OK: version of the registry, last id looked at ('' if no more), {{worker, {field, value, ...}}, ...}
local count, look = tonumber(ARGV[3]), tonumber(ARGV[4])
local ids = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[2], '+', 'LIMIT', 0, look)
local workers, bytes, last = {}, 0, ''
for i, id in ipairs(ids) do
  local key = ARGV[1] .. 'worker:' .. id
  local is = redis.call('HMGET', key, 'state', 'capabilities')
  local has = ARGV[6] == '' or string.find(' ' .. (is[2] or '') .. ' ', ' ' .. ARGV[6] .. ' ', 1, true)
  if is[1] and has and (ARGV[5] == '0' or ARGV[5] == is[1]) then
    local fields = redis.call('HGETALL', key)
    for _, text in ipairs(fields) do bytes = bytes + #text end
    workers[#workers + 1] = {id, fields}
  end
  local is_full = #workers == count or bytes > tonumber(ARGV[7])
  if (is_full and i < #ids) or i == look then
    last = id
    break
  end
end
return {'OK', redis.call('GET', KEYS[1]) or '0', last, workers}
