-- Taking lost tasks up again, for the scripts that do it: those of a person's retry, and of a retry in BullMQ.

local function is_lost(task) return task and (task.state == FAILED or task.state == CANCELLED) end

local function take_up(task, unmet)
  redis.call('ZREM', key('dead'), task.id)
  reown(task.id)
  redis.call('HDEL', text_key(task.id), 'reason', 'message', 'result', 'json')
  redis.call('HDEL', task_key(task.id), 'holds', 'timed_holds', 'passing_holds')
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
    redis.call('ZREM', key('dead-jobs'), root.id)
    reown(root.id)
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

-- Takes a lost task up again: a job with all its lost subtasks, a subtask with those that ended because of it. Returns how
-- many tasks.
local function retry_lost(task)
  reopen(load(task.root))
  if task.parts == '' and is_root(task) then
    take_up(task, 0)
    release(task)
    return 1
  end

  local order, chosen, retried = redis.call('LRANGE', key('parts:' .. task.root), 0, -1), nil, 0
  if not is_root(task) then chosen = choose(task, order) end
  local unmet, root = count_unmet(order), load(task.root)
  for _, id in ipairs(order) do
    local part = load(id)
    if is_lost(part) and (not chosen or chosen[id]) then
      retried = retried + 1
      take_up(part, unmet[id] or 0)
      if not unmet[id] and not is_gated(root) then release(part) end
    end
  end
  settle(task.root)
  return retried
end

-- Lets a schedule that was called off go on: its tasks only wait, as before, and what was called off of its runs stays so.
-- Returns how many tasks.
local function resume_schedule(root, next_run_ms)
  redis.call('ZREM', key('finished'), root.id)
  redis.call('ZREM', key('dead-jobs'), root.id)
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
  redis.call('ZREM', key('reowned'), root.id)
  root.from = next_run_ms
  enter(root, DELAYED, 'from', next_run_ms)
  redis.call('ZREM', key('delayed'), root.id)
  redis.call('ZADD', key('schedules'), next_run_ms, root.id)
  return count
end

-- Takes up a job that was called off with a task above it. Returns how many tasks.
local function take_back(job)
  local mark = redis.call('HGET', task_key(job.id), 'kin')
  if not mark or is_below_disowned(job.id) then return 0 end
  if not is_lost(job) then
    -- It had ended itself, and what stands below it was called off.
    if is_over(job) then reown(job.id) end
    return 0
  end
  if mark ~= '1' then return resume_schedule(job, mark) end
  return retry_lost(job)
end

-- Takes up what was called off below tasks that are owned again, some `max` tasks at once; the sweep goes on with the rest.
-- What a person called off by itself stays so. Returns how many.
local function take_back_kin(max)
  local count = 0
  while count < max do
    local id = redis.call('ZRANGE', key('reowned'), 0, 0)[1]
    if not id then break end
    for _, job_id in ipairs(redis.call('SMEMBERS', key('kin:' .. id))) do
      if count >= max then return count end
      local job = load(job_id)
      if job then count = count + take_back(job) end
    end
    redis.call('ZREM', key('reowned'), id)
  end
  return count
end
