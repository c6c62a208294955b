-- Reads tasks, all at one moment.
-- ARGV: ..., which texts: 'none', 'errors' or 'all'; then 'tasks' and ids, or 'job' and the id of a root, or 'list' with
--       a list's key, whether it is walked from its end, where to begin, how many, states (in one text), a worker
-- OK: for each task {id, what does not change, fields, texts}; after 'list' first the place to go on from, or ''.
if ARGV[4] == 'list' then
  local list, from, most = ARGV[5], tonumber(ARGV[7]), tonumber(ARGV[8])
  local is_list = redis.call('TYPE', list).ok == 'list'
  local rows, bytes, place = {'OK', ''}, 0, from
  while #rows - 2 < most and bytes < 2097152 and place < from + 1000 do
    local id = nil
    if is_list then
      id = redis.call('LINDEX', list, place)
    else
      id = redis.call(ARGV[6] == '1' and 'ZREVRANGE' or 'ZRANGE', list, place, place)[1]
    end
    if not id then return rows end
    place = place + 1
    local seen = redis.call('HMGET', task_key(id), 'state', 'worker')
    local fits = seen[1] and (ARGV[9] == '' or string.find(ARGV[9], seen[1], 1, true))
    if fits and (ARGV[10] == '' or ARGV[10] == seen[2]) then
      local found = row(id, ARGV[3])
      bytes = bytes + #found[2] + 512
      rows[#rows + 1] = found
    end
  end
  rows[2] = tostring(place)
  return rows
end

local ids = {unpack(ARGV, 5)}
if ARGV[4] == 'job' then
  for _, id in ipairs(redis.call('LRANGE', key('parts:' .. ids[1]), 0, -1)) do ids[#ids + 1] = id end
end
local rows = {'OK'}
for _, id in ipairs(ids) do rows[#rows + 1] = row(id, ARGV[3]) end
return rows
