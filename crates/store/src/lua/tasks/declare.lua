-- Makes a queue known whose tasks were taken up again after it had been forgotten.
-- args: queue, requirements (packed)
declare_queue(args.queue, args.requirements, nil)
return answer({})
