-- Reads tasks, all at one moment.
-- args: texts ('none', 'errors' or 'all'), and one of: ids; job, the id of a root; list: key, newest_first, from (where to
--       begin), max, states (their numbers in one text, '' for any), worker ('' for any)
-- answer: rows; next, where the list goes on, if it does.
local MAX_BYTES, MAX_LOOKED_AT = 2097152, 1000

-- Reads one id of a list by its position.
local function positions(list)
  local kind = redis.call('TYPE', list.key).ok
  if kind == 'list' then return function(position) return redis.call('LINDEX', list.key, position) end end
  if kind == 'set' then
    local members = redis.call('SMEMBERS', list.key)
    table.sort(members)
    return function(position) return members[position + 1] end
  end
  local range = list.newest_first and 'ZREVRANGE' or 'ZRANGE'
  return function(position) return redis.call(range, list.key, position, position)[1] end
end

local function is_wanted(list, id)
  local state, worker = unpack(redis.call('HMGET', task_key(id), 'state', 'worker'), 1, 2)
  return state and (list.states == '' or string.find(list.states, state, 1, true))
    and (list.worker == '' or list.worker == worker)
end

local function page(list)
  local at, position, rows, bytes = positions(list), list.from, {}, 0
  local last = position + MAX_LOOKED_AT
  while #rows < list.max and bytes < MAX_BYTES and position < last do
    local id = at(position)
    if not id then return {rows = rows} end
    position = position + 1
    if is_wanted(list, id) then
      local found = row(id, args.texts)
      bytes = bytes + #found.spec + 512
      rows[#rows + 1] = found
    end
  end
  return {rows = rows, next = position}
end

if args.list then return answer(page(args.list)) end
if args.job then return answer({rows = job_rows(args.job, args.texts)}) end
local rows = {}
for _, id in ipairs(args.ids) do rows[#rows + 1] = row(id, args.texts) end
return answer({rows = rows})
