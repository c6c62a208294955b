-- Retries what failed or was cancelled: a job, or a subtask with the subtasks that ended because of it.
-- args: request, id, max_named, max_queues, next_run_ms (of a schedule, which goes on with that run; nil for another job)
-- answer: count (of the tasks retried), task. Refusals: NOT_FOUND; NOT_OVER: state, lost (ids of the subtasks that could be
--         retried), lost_count; GONE: another program made its job, which is no more; REQUEST_ID_REUSED;
--         TOO_MANY_QUEUES as for a new job.
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

-- The refusal if the queues of what may be taken up again have no place; nil if they have.
local function refuse_its_queues(task)
  local ids, seen, names = redis.call('LRANGE', key('parts:' .. task.root), 0, -1), {}, {}
  if #ids == 0 then ids = {task.id} end
  for _, id in ipairs(ids) do
    local queue = redis.call('HGET', task_key(id), 'queue')
    if queue and not seen[queue] and is_lost(load(id)) then
      seen[queue] = true
      names[#names + 1] = queue
    end
  end
  return refuse_queues(names, nil, {all = args.max_queues})
end

return change_once(function()
  local task = load(args.id)
  if not task then return {'NOT_FOUND'} end
  if not is_lost(task) then return refuse(task) end
  if is_job_gone(task.id) then return {'GONE'} end
  local refused = refuse_its_queues(task)
  if refused then return refused end
  if args.next_run_ms then return resume_schedule(task) end
  return answer({count = retry_lost(task)})
end)
