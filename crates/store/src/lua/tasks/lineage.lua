-- Jobs that are submitted on behalf of tasks, and the runs of schedules. Follows `shared.lua` in every script.
--
-- A job names its `parent`, the task, and what it stands `above`, which is the parent's job, or the schedule of a run. The
-- set `kin:<id>` holds the jobs below a task or a job. A task that was called off is disowned: nothing is taken on its
-- behalf any more, and the sorted set `disowned` holds it until all below it is called off. What was called off that way is
-- marked as `kin`: with '1', a schedule with its next run. A task that is taken up again is owned again, and the sorted set
-- `reowned` holds it until the marked jobs below it are taken up, too; see `retrying.lua`.
local KIN_MESSAGE = 'the task on whose behalf it was submitted was called off'

-- Calls off what stands below disowned tasks, some `max` tasks at once; the sweep goes on with the rest. Returns how many.
local function call_off_kin(max)
  local count = 0
  while count < max do
    local id = redis.call('ZRANGE', key('disowned'), 0, 0)[1]
    if not id then break end
    for _, job_id in ipairs(redis.call('SMEMBERS', key('kin:' .. id))) do
      local job = load(job_id)
      if job and not is_over(job) then
        if count >= max then return count end
        redis.call('HSET', task_key(job_id), 'kin', redis.call('ZSCORE', key('schedules'), job_id) or '1')
        redis.call('ZREM', key('schedules'), job_id)
        count = count + 1 + call_off(job_id, 'CANCELLED', KIN_MESSAGE)
        close(job, CANCELLED, 'CANCELLED', KIN_MESSAGE)
      elseif job and redis.call('HGET', task_key(job_id), 'disowned') ~= '1' then
        redis.call('HSET', task_key(job_id), 'kin', '1')
        disown(job_id)
      end
    end
    redis.call('ZREM', key('disowned'), id)
  end
  return count
end

-- The first of a task and all above it that was called off; nil if none was.
local function disowned_above(task)
  local function is_disowned(id)
    local found = redis.call('HMGET', task_key(id), 'state', 'disowned')
    return found[1] == CANCELLED or found[2] == '1'
  end
  if is_disowned(task.id) then return task.id end
  local ancestor = task.root
  while ancestor do
    if is_disowned(ancestor) then return ancestor end
    ancestor = redis.call('HGET', task_key(ancestor), 'above')
  end
  return nil
end

-- Whether a task above a job was called off.
local function is_below_disowned(job_id)
  for _, id in ipairs(redis.call('HMGET', task_key(job_id), 'parent', 'above')) do
    local task = id and load(id)
    if task and disowned_above(task) then return true end
  end
  return false
end

-- Unmarks a task that was called off.
local function reown(id)
  redis.call('HDEL', task_key(id), 'disowned', 'kin')
  redis.call('ZREM', key('disowned'), id)
  if redis.call('EXISTS', key('kin:' .. id)) == 1 then redis.call('ZADD', key('reowned'), now, id) end
end

-- The place of a new job below its parent; or nil and the refusal.
local function place_below(parent_id, max_depth, max_descendants)
  local parent = load(parent_id)
  if not parent then return nil, {'NO_PARENT'} end
  local called_off = disowned_above(parent)
  if called_off then return nil, {'PARENT_CANCELLED', {ancestor = called_off}} end
  local found = redis.call('HMGET', task_key(parent.root), 'depth', 'top')
  local depth = (tonumber(found[1]) or 0) + 1
  if depth > max_depth then return nil, {'TOO_DEEP', {depth = depth}} end
  -- The first job may be forgotten by now.
  local top = found[2] or parent.root
  if redis.call('EXISTS', task_key(top)) == 0 then top = parent.root end
  local below = tonumber(redis.call('HGET', task_key(top), 'below') or 0)
  if below >= max_descendants then return nil, {'TOO_MANY_BELOW', {ancestor = top}} end
  return {parent = parent_id, above = parent.root, depth = depth, top = top}
end

-- The place of a run, which stands where its schedule stands.
local function place_of_run(schedule_id)
  local found = redis.call('HMGET', task_key(schedule_id), 'parent', 'depth')
  return {parent = found[1] or nil, above = schedule_id, depth = tonumber(found[2]) or 0}
end

-- Puts a new job there.
local function settle_below(root_id, place)
  local record = {'above', place.above}
  for _, name in ipairs({'parent', 'top'}) do
    if place[name] then
      record[#record + 1] = name
      record[#record + 1] = place[name]
    end
  end
  if place.depth > 0 then
    record[#record + 1] = 'depth'
    record[#record + 1] = place.depth
  end
  redis.call('HSET', task_key(root_id), unpack(record))
  redis.call('SADD', key('kin:' .. place.above), root_id)
  if place.top then
    redis.call('SADD', key('kin:' .. place.parent), root_id)
    redis.call('HINCRBY', task_key(place.top), 'below', 1)
  end
end

-- Forgets where a job stood, and what stood below a task.
local function forget_lineage(id)
  for _, above in ipairs(redis.call('HMGET', task_key(id), 'parent', 'above')) do
    if above then redis.call('SREM', key('kin:' .. above), id) end
  end
  redis.call('DEL', key('kin:' .. id))
  redis.call('ZREM', key('disowned'), id)
  redis.call('ZREM', key('reowned'), id)
end

-- Moves a schedule to its next run; whether the run that is due is to be submitted. It is not if another process took
-- it, or if it is left out because an earlier run goes on.
local function takes_run(due)
  local due_ms = redis.call('ZSCORE', key('schedules'), due.schedule_id)
  if not due_ms or tonumber(due_ms) ~= due.due_ms then return false end
  local schedule = task_key(due.schedule_id)
  redis.call('ZADD', key('schedules'), due.next_ms, due.schedule_id)
  redis.call('HSET', schedule, 'from', due.next_ms)
  local last = due.skips_overlap and redis.call('HGET', schedule, 'last_run')
  last = last and load(last)
  if last and not is_over(last) then
    redis.call('HINCRBY', schedule, 'left_out', 1)
    return false
  end
  redis.call('HINCRBY', schedule, 'runs', 1)
  return true
end
