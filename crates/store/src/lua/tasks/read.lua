-- Reads tasks, all at one moment.
-- ARGV: ..., which texts: 'none', 'errors' or 'all'; then 'tasks' and ids, or 'job' and the id of a root, or 'list' with
--       a list's key, whether it is walked from its end, where to begin, how many, states (in one text), a worker
-- OK: for each task {id, what does not change, fields, texts}; after 'list' first the place to go on from, or ''.
local MOST_BYTES, MOST_LOOKED_AT = 2097152, 1000

local function walk(list, from_end)
  local kind = redis.call('TYPE', list).ok
  if kind == 'list' then return function(place) return redis.call('LINDEX', list, place) end end
  if kind == 'set' then
    local members = redis.call('SMEMBERS', list)
    table.sort(members)
    return function(place) return members[place + 1] end
  end
  local range = from_end and 'ZREVRANGE' or 'ZRANGE'
  return function(place) return redis.call(range, list, place, place)[1] end
end

if ARGV[4] == 'list' then
  local at, place, most = walk(ARGV[5], ARGV[6] == '1'), tonumber(ARGV[7]), tonumber(ARGV[8])
  local rows, bytes, last = {'OK', ''}, 0, place + MOST_LOOKED_AT
  while #rows - 2 < most and bytes < MOST_BYTES and place < last do
    local id = at(place)
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

local rows = {'OK'}
if ARGV[4] == 'job' then
  for _, found in ipairs(job_rows(ARGV[5], ARGV[3])) do rows[#rows + 1] = found end
else
  for i = 5, #ARGV do rows[#rows + 1] = row(ARGV[i], ARGV[3]) end
end
return rows
