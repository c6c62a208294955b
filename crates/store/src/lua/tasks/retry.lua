-- Retries what failed or was cancelled: a job, or a subtask with the subtasks that ended because of it.
-- args: request, id, max_named, next_run_ms (of a schedule, which goes on with that run; nil for another job)
-- answer: count (of the tasks retried), task. Refusals: NOT_FOUND; NOT_OVER: state, lost (ids of the subtasks that could be
--         retried), lost_count; GONE: another program made its job, which is no more; REQUEST_ID_REUSED.
local function refuse(task)
  local lost, lost_count = {}, 0
  for _, id in ipairs(redis.call('LRANGE', key('parts:' .. task.id), 0, -1)) do
    if is_lost(load(id)) then
      lost_count = lost_count + 1
      if lost_count <= args.max_named then lost[#lost + 1] = id end
    end
  end
  return {'NOT_OVER', {state = task.state, lost = lost, lost_count = lost_count}}
end

-- Lets a schedule that was called off go on: its tasks only wait, as before.
local function resume_schedule(root)
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
  root.from = args.next_run_ms
  enter(root, DELAYED, 'from', args.next_run_ms)
  redis.call('ZREM', key('delayed'), root.id)
  redis.call('ZADD', key('schedules'), args.next_run_ms, root.id)
  return answer({count = count})
end

return change_once(function()
  local task = load(args.id)
  if not task then return {'NOT_FOUND'} end
  if not is_lost(task) then return refuse(task) end
  if is_job_gone(task.id) then return {'GONE'} end
  if args.next_run_ms then return resume_schedule(task) end
  return answer({count = retry_lost(task)})
end)
