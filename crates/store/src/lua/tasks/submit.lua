-- Takes a job with its subtasks.
-- args: classes: queue, requirements (packed), of the queues of its tasks; caller (who opens those that are not in use; nil for
--       nobody), max_queues, max_caller_queues, max_jobs, deadline_ms (nil for none), first_run_ms (of the template of a schedule; nil for another job), parent
--       (the task on whose behalf it comes; nil for none), max_depth, max_descendants, due (of the run of a schedule:
--       schedule_id, due_ms, next_ms, skips_overlap; nil for another job), and `tasks`, the root first, each with: id, spec (what its submitter said, packed), queue, priority, unmet (how many
--       tasks it waits for), weight, gates ('s' before it starts, 'r' before its result counts), max_attempts,
--       backoff_ms, delay_ms, policy, successors (ids of the tasks that wait for it), strategy, folder (a hash of where
--       its files are, or ''), notifies (whether its submitter gets messages).
-- answer: root_id, rows; neither if a run is left out. Refusals: REQUEST_ID_REUSED, TOO_MANY, NO_PARENT; TOO_DEEP: depth;
--         TOO_MANY_BELOW, PARENT_CANCELLED: ancestor; TOO_MANY_QUEUES: asked (queues not in use), in_use, max, caller (whose
--         bound it is; '' for that of all). A refusal leaves nothing behind.
local root_id, subtasks = args.tasks[1].id, #args.tasks - 1
local starts = not args.first_run_ms and (subtasks == 0 or not string.find(args.tasks[1].gates, 's', 1, true))

-- Whether a task is ready as soon as it is stored.
local function is_ready(task)
  return starts and task.unmet == 0 and task.delay_ms == 0 and not string.find(task.gates, 's', 1, true)
end

-- Stores a task. Values that most tasks have are not stored.
local function store(task, state, is_done_by_worker)
  redis.call('SET', key('spec:' .. task.id), task.spec)
  local record = {'state', state, 'queue', task.queue, 'priority', task.priority, 'most', task.max_attempts,
    'pause', task.backoff_ms, 'created', now}
  local function add(field, value, is_usual)
    if is_usual then return end
    record[#record + 1] = field
    record[#record + 1] = value
  end
  add('ready', now, state ~= READY)
  add('brief', '1', state ~= READY or subtasks > 0)
  add('used', '1', not is_done_by_worker)
  add('root', root_id, task.id == root_id)
  add('unmet', task.unmet, task.unmet == 0)
  add('weight', task.weight, task.weight == 1)
  add('policy', task.policy, task.policy == 1)
  add('gates', task.gates, task.gates == '')
  add('from', now + task.delay_ms, task.delay_ms == 0)
  add('strategy', task.strategy, task.strategy == 1)
  add('place', task.folder, task.folder == '')
  add('told', '1', not task.notifies)
  redis.call('HSET', task_key(task.id), unpack(record))
  if #task.successors > 0 then add_all('RPUSH', 'after:' .. task.id, task.successors) end
end

-- Members of a sorted set, all with one score.
local function scored(score, members)
  local values = {}
  for i, member in ipairs(members) do values[2 * i - 1], values[2 * i] = score, member end
  return values
end

-- Stores all tasks, each in the state in which it begins, with what the job and the queues count of them: some commands for
-- the job, and two for each of its tasks.
local function store_job()
  local ids, ready, lines, uses, weight = {}, {}, {}, {}, 0
  for i, task in ipairs(args.tasks) do
    -- No worker does the root of a job with subtasks.
    local is_split = i == 1 and subtasks > 0
    local state = is_split and RUNNING or is_ready(task) and READY or PENDING
    store(task, state, not is_split)
    if not is_split then
      local use = uses[task.queue] or {id = task.id, tasks = 0}
      use.tasks, uses[task.queue] = use.tasks + 1, use
    end
    if i > 1 then
      ids[#ids + 1] = task.id
      weight = weight + task.weight
    end
    if state == READY then
      ready[#ready + 1] = task.id
      lines[#lines + 1] = log_line(root_id, now, 'ready', task.id)
    end
  end
  for queue, use in pairs(uses) do need_queue(queue, use.id, use.tasks) end
  add_all('ZADD', 'ready', scored(now, ready))
  add_all('ZADD', 'outbox', scored(now_us, ready))
  for _, id in ipairs(ready) do outbox[#outbox + 1] = id end
  if subtasks == 0 and #ready == 1 then
    changed_jobs[root_id] = true
    return
  end
  add_all('RPUSH', 'parts:' .. root_id, ids)
  if subtasks > 0 then
    redis.call('HSET', task_key(root_id), 'total', subtasks, 'parts', '1', 'done', 0, 'all', weight,
      'in1', subtasks - #ready, 'in4', #ready)
  end
  table.insert(lines, 1, log_line(root_id, now, 'submitted', root_id))
  append_lines(root_id, lines)
end

-- Starts what waits for no other task and is not ready: it waits for an approval or its time.
local function start_others()
  for i, task in ipairs(args.tasks) do
    if (i > 1 or subtasks == 0) and task.unmet == 0 and not is_ready(task) then release(load(task.id)) end
  end
end

local decision = once_per_request(function()
  if redis.call('ZCARD', key('live')) >= args.max_jobs then return {'TOO_MANY'} end
  local names = {}
  for i, class in ipairs(args.classes) do names[i] = class.queue end
  local place, refused = nil, refuse_queues(names, args.caller, {all = args.max_queues, caller = args.max_caller_queues})
  if refused then return refused end
  if args.parent then
    place, refused = place_below(args.parent, args.max_depth, args.max_descendants)
    if refused then return refused end
  elseif args.due then
    if not takes_run(args.due) then return answer({}) end
    redis.call('HSET', task_key(args.due.schedule_id), 'last_run', root_id)
    place = place_of_run(args.due.schedule_id)
  end
  for _, class in ipairs(args.classes) do declare_queue(class.queue, class.requirements, args.caller) end
  store_job()
  if place then settle_below(root_id, place) end
  redis.call('ZADD', key('live'), now, root_id)
  redis.call('ZADD', key('jobs'), now, root_id)
  if args.deadline_ms then
    redis.call('HSET', task_key(root_id), 'deadline', args.deadline_ms)
    redis.call('ZADD', key('deadlines'), args.deadline_ms, root_id)
    redis.call('ZADD', key('escalations'), now + (args.deadline_ms - now) * 0.8, root_id)
  end
  count('submitted', subtasks + 1)
  if args.first_run_ms then
    -- The template of a schedule only waits: each run is a copy of it.
    local root = load(root_id)
    root.from = args.first_run_ms
    enter(root, DELAYED, 'from', args.first_run_ms)
    redis.call('ZREM', key('delayed'), root_id)
    redis.call('ZADD', key('schedules'), args.first_run_ms, root_id)
  elseif starts then
    start_others()
  else
    release(load(root_id))
  end
  return answer({root_id = root_id})
end)
if is_done(decision) then
  -- A repeated request has other ids: the job is the one that the first request made.
  local made = decision[2].answer
  -- What was just submitted has no texts yet.
  if made.root_id then made.rows = job_rows(made.root_id, decision[1] == 'OK' and 'none' or 'errors') end
end
return decision
