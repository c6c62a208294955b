-- Takes expired entries off the lists and publishes each.
-- args: most (entries in one step)
-- OK.
sweep(args.most)
return reply('OK')
