-- Retries what failed or was cancelled: a job, or a subtask with the subtasks that ended because of it.
-- args: request, id, next_run_ms (of a schedule, which goes on with that run; nil for another job)
-- answer: count (of the tasks retried), task. Refusals: NOT_FOUND; NOT_OVER: state; REQUEST_ID_REUSED.
local function is_lost(task) return task and (task.state == FAILED or task.state == CANCELLED) end

local function take_up(task, unmet)
  redis.call('ZREM', key('dead'), task.id)
  redis.call('ZREM', key('disowned'), task.id)
  redis.call('HDEL', task_key(task.id), 'disowned')
  redis.call('HDEL', text_key(task.id), 'reason', 'message', 'result', 'json')
  redis.call('HDEL', task_key(task.id), 'holds')
  redis.call('HDEL', task_key(task.root), 'held')
  advance(task, 0)
  enter(task, PENDING, 'attempts', 0, 'deaths', 0, 'ended', '', 'from', '', 'unmet', unmet, 'stuck', '', 'retried', now)
  task.from, task.unmet = '', tostring(unmet)
  log(task.root, 'retried', task.id)
end

-- The gate before the start holds the subtasks of a job.
local function is_gated(root) return root.parts ~= '' and string.find(root.gates, 's', 1, true) end

-- Continues a job that had ended, or that waited for the approval of its result. A job at its first gate waits there again.
local function reopen(root)
  if is_over(root) then
    redis.call('ZREM', key('finished'), root.id)
    redis.call('ZREM', key('disowned'), root.id)
    redis.call('HDEL', task_key(root.id), 'disowned')
    redis.call('ZADD', key('live'), now, root.id)
    local deadline = redis.call('HGET', task_key(root.id), 'deadline')
    if deadline and tonumber(deadline) > now then redis.call('ZADD', key('deadlines'), deadline, root.id) end
  end
  local waits = root.state == AWAITING and root.gate == 'start'
  if root.parts == '' or root.state == RUNNING or waits then return end
  redis.call('HDEL', text_key(root.id), 'reason', 'message')
  redis.call('HSET', task_key(root.id), 'ended', '', 'gate', '')
  if is_gated(root) then release(root) else enter(root, RUNNING) end
end

-- The lost subtasks to retry together with one of them: those that it waits for; if it failed, those cancelled because of
-- that; and those that wait for any of these, unless they wait for yet another lost one.
local function choose(task, order)
  local lost, before, queue = {}, {}, {task.id}
  for _, id in ipairs(order) do
    lost[id] = is_lost(load(id))
    for _, next_id in ipairs(redis.call('LRANGE', key('after:' .. id), 0, -1)) do
      before[next_id] = before[next_id] or {}
      table.insert(before[next_id], id)
    end
    if task.state == FAILED and redis.call('HGET', text_key(id), 'reason') == 'SIBLING_FAILED' then
      queue[#queue + 1] = id
    end
  end
  local chosen, waiting = {}, {}
  while #queue > 0 do
    local id = table.remove(queue)
    if lost[id] and not chosen[id] then
      chosen[id] = true
      waiting[#waiting + 1] = id
      for _, other in ipairs(before[id] or {}) do queue[#queue + 1] = other end
    end
  end
  local follows = {}
  while #waiting > 0 do
    for _, id in ipairs(redis.call('LRANGE', key('after:' .. table.remove(waiting)), 0, -1)) do
      if lost[id] and not chosen[id] and not follows[id] then
        follows[id] = true
        waiting[#waiting + 1] = id
      end
    end
  end
  local is_changed = true
  while is_changed do
    is_changed = false
    for id in pairs(follows) do
      for _, other in ipairs(before[id]) do
        if lost[other] and not chosen[other] and not follows[other] then follows[id], is_changed = nil, true end
      end
    end
  end
  for id in pairs(follows) do chosen[id] = true end
  return chosen
end

-- How many tasks that are not completed each task waits for.
local function count_unmet(order)
  local unmet = {}
  for _, id in ipairs(order) do
    if redis.call('HGET', task_key(id), 'state') ~= COMPLETED then
      for _, next_id in ipairs(redis.call('LRANGE', key('after:' .. id), 0, -1)) do
        unmet[next_id] = (unmet[next_id] or 0) + 1
      end
    end
  end
  return unmet
end

-- Lets a schedule that was called off go on: its tasks only wait, as before.
local function resume_schedule(root)
  redis.call('ZREM', key('finished'), root.id)
  redis.call('ZADD', key('live'), now, root.id)
  local order, count = redis.call('LRANGE', key('parts:' .. root.id), 0, -1), 1
  local unmet = count_unmet(order)
  for _, id in ipairs(order) do
    local part = load(id)
    if is_lost(part) then
      take_up(part, unmet[id] or 0)
      count = count + 1
    end
  end
  take_up(root, 0)
  root.from = args.next_run_ms
  enter(root, DELAYED, 'from', args.next_run_ms)
  redis.call('ZREM', key('delayed'), root.id)
  redis.call('ZADD', key('schedules'), args.next_run_ms, root.id)
  return answer({count = count})
end

return change_once(function()
  local task = load(args.id)
  if not task then return {'NOT_FOUND'} end
  if not is_lost(task) then return {'NOT_OVER', {state = task.state}} end
  if args.next_run_ms then return resume_schedule(task) end
  local root = load(task.root)
  reopen(root)
  if task.parts == '' and is_root(task) then
    take_up(task, 0)
    release(task)
    return answer({count = 1})
  end

  local order, chosen, count = redis.call('LRANGE', key('parts:' .. task.root), 0, -1), nil, 0
  if not is_root(task) then chosen = choose(task, order) end
  local unmet = count_unmet(order)
  for _, id in ipairs(order) do
    local part = load(id)
    if is_lost(part) and (not chosen or chosen[id]) then
      count = count + 1
      take_up(part, unmet[id] or 0)
      if not unmet[id] and not is_gated(root) then release(part) end
    end
  end
  settle(task.root)
  return answer({count = count})
end)
