module.exports = { name: 'no function' };
