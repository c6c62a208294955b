-- A page of workers in the order of their ids.
-- args: slot, lowest (id, as ZRANGEBYLEX reads it), count, scan_limit (workers looked at), state (text, nil: any),
--       capability (nil: any), max_bytes
-- OK: position (of the registry), last (the last id looked at, nil if no more follow),
--     workers {{id, {field, value, ...}}, ...}.
local clock_key, index_key = KEYS[1], KEYS[2]

local ids = redis.call('ZRANGEBYLEX', index_key, args.lowest, '+', 'LIMIT', 0, args.scan_limit)
local workers, bytes, last = {}, 0, nil
for i, id in ipairs(ids) do
  local key = args.slot .. 'worker:' .. id
  local is = redis.call('HMGET', key, 'state', 'capabilities')
  local has = not args.capability
    or string.find(' ' .. (is[2] or '') .. ' ', ' ' .. args.capability .. ' ', 1, true)
  if is[1] and has and (not args.state or args.state == is[1]) then
    local fields = redis.call('HGETALL', key)
    for _, text in ipairs(fields) do bytes = bytes + #text end
    workers[#workers + 1] = {id, fields}
  end
  local is_full = #workers == args.count or bytes > args.max_bytes
  if (is_full and i < #ids) or i == args.scan_limit then
    last = id
    break
  end
end
return reply('OK', {position = redis.call('GET', clock_key) or '0', last = last, workers = workers})
